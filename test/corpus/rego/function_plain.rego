# case: {"input": {"x": 4}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"x": 5}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.f
double(x) := x * 2
allow if double(input.x) == 8
