# case: {"input": {}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
package corpus.li
allow if {
	`raw\n` == "raw\\n"
	"\u0041\t" == "A\t"
	[1, -2, 3.5, 1e2][3] == 100
	{"k": {1, 2}}.k == {2, 1}
	set() == set()
	null == null
}
