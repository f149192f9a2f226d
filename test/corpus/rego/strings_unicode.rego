# case: {"input": {"name": "zo\u00eb\ud83d\ude00\u00e9"}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
package corpus.su
allow if {
	# Lengths are UTF-16 units: the emoji counts twice.
	count(input.name) == 6
	upper(input.name) == "ZOË😀É"
}
