# case: {"input": {"x": 1}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.u
allow if input.x == 1
