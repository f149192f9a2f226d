# case: {"input": {"xs": ["A", "a", "B"]}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"xs": ["A"]}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.cs
allow if {lower(x) | some x in input.xs} == {"a", "b"}
