# case: {"input": {"x": 1}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"x": 11}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.n
limits.daily := 10
limits.weekly := 50
allow if input.x < limits.daily
