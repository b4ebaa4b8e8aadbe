package expr

import (
	"fmt"
	"testing"

	"insolite/internal/event"
)

func TestBounds(t *testing.T) {
	for text, want := range map[string]string{
		"amount > 3":                            "[{0 true 3}]",
		"3 < amount":                            "[{0 true 3}]",
		"count <= 3 and ok":                     "[{1 false 3}]",
		"count >= 2.5":                          "[{1 true 2.5}]",
		"count == 2 * 3":                        "[{1 true 6} {1 false 6}]",
		"1 < count < 9":                         "[{1 true 1} {1 false 9}]",
		"ok and (u and amount > -3) and n >= 1": "[{0 true -3} {5 true 1}]",
		"amount > 3 or count > 3":               "[]",
		"not (amount > 3)":                      "[]",
		"amount != 3":                           "[]",
		"amount > 2 * count":                    "[]",
		"2 * amount > 3":                        "[]",
		"amount > 1 / 0":                        "[]",
		"t - t > duration(\"1s\")":              "[]",
		"card == \"x\"":                         "[]",
		"(n ?? 3) > 3":                          "[]",
	} {
		if got := fmt.Sprint(compile(t, text, event.KindBool).Bounds()); got != want {
			t.Errorf("%s has bounds %s, want %s", text, got, want)
		}
	}
}
