# case: {"input": {"xs": []}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
package corpus.wf
allow if count(input.xs) == 99 with count as 99
