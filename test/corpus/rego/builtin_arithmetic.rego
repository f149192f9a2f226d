# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.arithmetic

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"large integers are exact", "beyond 64 bits", "exact division", "fraction", "modulo", "precedence", "floats are binary"}

holds contains "large integers are exact" if 9007199254740993 + 1 == 9007199254740994

holds contains "beyond 64 bits" if 18446744073709551615 + 1 == 18446744073709551616

holds contains "exact division" if 6 / 3 == 2

holds contains "fraction" if 1 / 4 == 0.25

holds contains "modulo" if 7 % 3 == 1

holds contains "precedence" if 2 + 3 * 4 == 14

holds contains "floats are binary" if 0.1 + 0.2 == 0.30000000000000004
