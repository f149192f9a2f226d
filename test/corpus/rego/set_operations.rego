# case: {"input": {"has": ["a", "b"]}, "data": {"params": {"required": ["a"]}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"has": []}, "data": {"params": {"required": ["a"]}}, "expect": {"kind": "undefined"}}
package corpus.so
missing := {x | some x in data.params.required} - {x | some x in input.has}
allow if count(missing) == 0
