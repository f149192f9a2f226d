# case: {"input": {"rows": [{"cells": ["a", "x"]}]}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"rows": [{"cells": ["x"]}]}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.sd
allow if {
	some i, j
	input.rows[i].cells[j] == "x"
	i != j
}
