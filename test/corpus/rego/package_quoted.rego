# case: {"input": {"x": true}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": ["x"]}}
package corpus["with-dash"]
allow if inner
inner if input.x
deny contains "x" if input.x
