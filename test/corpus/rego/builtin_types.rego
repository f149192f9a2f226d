# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.types

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"array", "boolean", "null", "number", "object", "set", "string", "not string", "name"}

holds contains "array" if is_array([])

holds contains "boolean" if is_boolean(false)

holds contains "null" if is_null(null)

holds contains "number" if is_number(1.5)

holds contains "object" if is_object({})

holds contains "set" if is_set({1})

holds contains "string" if is_string("")

holds contains "not string" if is_string(1) == false

holds contains "name" if type_name({1}) == "set"
