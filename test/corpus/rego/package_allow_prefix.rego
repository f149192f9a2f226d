# case: {"input": {"x": true}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {}, "data": {}, "expect": {"kind": "undefined", "reasons": ["never"]}}
package corpus.allowed.denied
allow if input.x
deny contains "never" if not input.x
