# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.strings

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"concat", "contains", "endswith", "startswith", "format_int", "indexof", "indexof none", "indexof_n", "lower", "upper", "replace", "split", "sprintf", "substring", "substring rest", "trim", "trim_left", "trim_right", "trim_prefix", "trim_suffix", "trim_space"}

holds contains "concat" if concat(",", ["a", "b"]) == "a,b"

holds contains "contains" if contains("abc", "bc")

holds contains "endswith" if endswith("abc", "bc")

holds contains "startswith" if startswith("abc", "ab")

holds contains "format_int" if format_int(255, 16) == "ff"

holds contains "indexof" if indexof("hello", "l") == 2

holds contains "indexof none" if indexof("hello", "z") == -1

holds contains "indexof_n" if indexof_n("hello", "l") == [2, 3]

holds contains "lower" if lower("AbC") == "abc"

holds contains "upper" if upper("AbC") == "ABC"

holds contains "replace" if replace("a-b-c", "-", "+") == "a+b+c"

holds contains "split" if split("a,b", ",") == ["a", "b"]

holds contains "sprintf" if sprintf("%s is %d and %v", ["x", 5, true]) == "x is 5 and true"

holds contains "substring" if substring("hello", 1, 3) == "ell"

holds contains "substring rest" if substring("hello", 2, -1) == "llo"

holds contains "trim" if trim("xxaxx", "x") == "a"

holds contains "trim_left" if trim_left("xxaxx", "x") == "axx"

holds contains "trim_right" if trim_right("xxaxx", "x") == "xxa"

holds contains "trim_prefix" if trim_prefix("0xff", "0x") == "ff"

holds contains "trim_suffix" if trim_suffix("a.rego", ".rego") == "a"

holds contains "trim_space" if trim_space("  a ") == "a"
