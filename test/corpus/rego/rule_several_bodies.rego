# case: {"input": {"x": 1, "y": 2}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"y": 2}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"x": 0}, "data": {}, "expect": {"kind": "defined", "allow": false, "reasons": []}}
package corpus.b
default allow := false
allow if input.x == 1
allow if input.y == 2
