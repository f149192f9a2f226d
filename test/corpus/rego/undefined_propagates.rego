# case: {"input": {"value": 1}, "data": {"params": {"limit": 2}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"value": 1}, "data": {"params": {}}, "expect": {"kind": "undefined"}}
# case: {"input": {}, "data": {"params": {"limit": 2}}, "expect": {"kind": "undefined"}}
package corpus.up
allow if data.params.limit > input.value
