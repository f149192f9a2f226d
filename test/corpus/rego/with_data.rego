# case: {"input": {}, "data": {"params": {"limit": 1}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
package corpus.wd
inner := data.params.limit
allow if inner == 7 with data.params.limit as 7
