# case: {"input": {"x": true}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
package corpus.dn
allow if input.x
deny := ["a", "b"] if input.x
