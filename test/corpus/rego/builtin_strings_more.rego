# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.strings_more

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"any prefix", "any suffix", "strings.count", "replace_n", "reverse"}

holds contains "any prefix" if strings.any_prefix_match({"abc", "x"}, {"ab"})

holds contains "any suffix" if strings.any_suffix_match(["abc"], ["bc", "z"])

holds contains "strings.count" if strings.count("cheese", "e") == 3

holds contains "replace_n" if strings.replace_n({"a": "1", "b": "2"}, "abc") == "12c"

holds contains "reverse" if strings.reverse("abc") == "cba"
