# case: {"input": {"xs": [1, 2, 3]}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"xs": [3, 2]}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.ca
allow if [y | some x in input.xs; x > 1; y := x * 2] == [4, 6]
