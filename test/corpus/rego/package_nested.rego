# case: {"input": {"x": true}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
package corpus.a.b.c
allow if data.corpus.a.b.c.inner
inner if input.x
