# case: {"input": {"xs": [{"k": "a", "v": 1}]}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"xs": [{"k": "a", "v": 1}, {"k": "a", "v": 2}]}, "data": {}, "expect": {"kind": "error", "code": "CONFLICT"}}
package corpus.coc
m := {x.k: x.v | some x in input.xs}
allow if m.a == 1
