# case: {"input": {"xs": [1, 2, 3]}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"xs": [1, 2]}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.cn
pairs := {[a, b] | some a in input.xs; some b in input.xs; a < b}
allow if count(pairs) == 3
