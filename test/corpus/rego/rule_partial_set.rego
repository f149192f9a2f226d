# case: {"input": {}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"a": true, "c": [2, 1]}, "data": {}, "expect": {"kind": "undefined", "reasons": ["a", "c1", "c2"]}}
package corpus.s
allow if count(deny) == 0
deny contains "a" if input.a
deny contains "b" if input.b
deny contains sprintf("c%d", [n]) if some n in input.c
