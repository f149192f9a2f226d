# case: {"input": {"x": true, "y": 1}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": [], "fails": true}}
# case: {"input": {"x": true, "y": "A"}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": ["a"]}}
package corpus.da
allow if input.x
deny contains lower(input.y)
