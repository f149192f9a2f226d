# case: {"input": {"x": 1}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"x": 6}, "data": {}, "expect": {"kind": "error", "code": "CONFLICT"}}
package corpus.fc
f(x) := 1 if x > 0
f(x) := 2 if x > 5
allow if f(input.x) == 1
