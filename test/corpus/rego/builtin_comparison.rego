# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.comparison

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"types in order", "booleans", "boolean and number", "number and string", "string and array", "array and object", "equal numbers", "arrays", "strings by code"}

holds contains "types in order" if null < false

holds contains "booleans" if false < true

holds contains "boolean and number" if true < 0

holds contains "number and string" if 9 < ""

holds contains "string and array" if "z" < []

holds contains "array and object" if [9] < {}

holds contains "equal numbers" if 1 == 1.0

holds contains "arrays" if [1, 2] < [1, 3]

holds contains "strings by code" if "a" < "b"
