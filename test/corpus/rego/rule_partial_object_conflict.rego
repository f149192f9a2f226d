# case: {"input": {"pairs": [["a", 1], ["b", 2]]}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"pairs": [["a", 1], ["a", 2]]}, "data": {}, "expect": {"kind": "error", "code": "CONFLICT"}}
package corpus.oc
m[k] := v if some [k, v] in input.pairs
allow if m.a == 1
