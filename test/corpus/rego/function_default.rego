# case: {"input": {"who": "known"}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"who": "x"}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.fd
default score(_) := 0
score(x) := 10 if x == "known"
allow if score(input.who) >= 10
