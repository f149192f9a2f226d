# case: {"input": {"x": true}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"x": "true"}, "data": {}, "expect": {"kind": "defined", "allow": false, "reasons": [], "value": "true"}}
# case: {"input": {"x": 1}, "data": {}, "expect": {"kind": "defined", "allow": false, "reasons": [], "value": 1}}
# case: {"input": {"x": null}, "data": {}, "expect": {"kind": "defined", "allow": false, "reasons": []}}
# case: {"input": {}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.v
allow := input.x
