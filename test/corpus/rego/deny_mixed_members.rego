# case: {"input": {}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": ["Z", "a", "b", "\u00e9"]}}
package corpus.dm
allow if true
deny contains 1
deny contains "b"
deny contains "a"
deny contains {"msg": "c"}
deny contains "é"
deny contains "Z"
