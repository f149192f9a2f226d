# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.conversions

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"text", "trimmed", "exponent", "negative", "null", "true", "false", "number"}

holds contains "text" if to_number("42") == 42

holds contains "trimmed" if to_number(" 7 ") == 7

holds contains "exponent" if to_number("1e3") == 1000

holds contains "negative" if to_number("-2.5") == -2.5

holds contains "null" if to_number(null) == 0

holds contains "true" if to_number(true) == 1

holds contains "false" if to_number(false) == 0

holds contains "number" if to_number(3) == 3
