# case: {"input": {"x": 1}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"x": 2}, "data": {}, "expect": {"kind": "defined", "allow": false, "reasons": []}}
package corpus.d
default allow := false
allow if input.x == 1
