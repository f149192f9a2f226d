# case: {"input": {"x": true, "y": false}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"x": true, "y": true}, "data": {}, "expect": {"kind": "error", "code": "CONFLICT"}}
package corpus.c
allow := true if input.x
allow := false if input.y
