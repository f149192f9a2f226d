# case: {"input": {"x": 10}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"x": 1}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.fs
size(x) := "small" if x < 10
size(x) := "large" if x >= 10
allow if size(input.x) == "large"
