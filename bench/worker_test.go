package bench

import (
	"encoding/json"
	"fmt"
	"time"
	"unsafe"

	"github.com/IBM/sarama"
	"github.com/bytedance/sonic"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"insolite/bench/reference"
)

// rule is one of the job's rules, as the straightforward worker writes it.
type rule struct {
	id        string
	condition string
	cool      time.Duration
}

// jobRules are those of reference/rules.yaml.
var jobRules = [10]rule{
	{"r01", "n >= 100", time.Hour},
	{"r02", "total > 10000", 24 * time.Hour},
	{"r03", "amount > 3 * usual and amount > usual + 4 * spread", 0},
	{"r04", "terminals >= 10", 24 * time.Hour},
	{"r05", "previous != '' and previous != country and amount > 99", 0},
	{"r06", "n >= 3 and amount > 5 * usual", 0},
	{"r07", "total > 9500 and country == 'SE'", time.Hour},
	{"r08", "amount > 95 and attempt > 3", 0},
	{"r09", "terminals >= 9 and n >= 20 and amount > 99.9", 0},
	{"r10", "total > 200 * usual", 24 * time.Hour},
}

// worker steps the messages of one partition and alerts.
type worker interface {
	step(m *sarama.ConsumerMessage, alert func(rule int)) error
}

// straightforward is what one writes first: encoding/json into a struct of the whole record, Go maps, rules by expr-lang's machine.
type straightforward struct {
	partition
	programs []*vm.Program
	vm       vm.VM
}

type payment struct {
	At       time.Time `json:"at"`
	ID       string    `json:"id"`
	Customer string    `json:"customer_id"`
	Terminal string    `json:"terminal"`
	Amount   float64   `json:"amount"`
	Currency string    `json:"currency"`
	Country  string    `json:"country"`
	Via      string    `json:"via"`
	MCC      int       `json:"mcc"`
	Merchant struct {
		Name string `json:"name"`
	} `json:"merchant"`
	Online  bool   `json:"online"`
	Device  string `json:"device"`
	Attempt int    `json:"attempt"`
	Note    string `json:"note"`
}

func newStraightforward() (worker, error) {
	w := &straightforward{partition: partition{customers: map[string]*customer{}}}
	env := environment(&payment{}, &features{})
	for _, r := range jobRules {
		program, err := expr.Compile(r.condition, expr.Env(env), expr.AsBool())
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.id, err)
		}
		w.programs = append(w.programs, program)
	}
	return w, nil
}

func environment(p *payment, f *features) map[string]any {
	return map[string]any{
		"amount": p.Amount, "country": p.Country, "attempt": p.Attempt, "n": f.n, "total": f.total, "usual": f.usual, "spread": f.spread,
		"terminals": f.terminals, "previous": f.previous,
	}
}

func (w *straightforward) step(m *sarama.ConsumerMessage, alert func(rule int)) error {
	var p payment
	if err := json.Unmarshal(m.Value, &p); err != nil {
		return err
	}
	at := p.At.UnixMilli()
	if at < w.watermark {
		return nil
	}
	c := w.customer(p.Customer)
	f := c.absorb(at, p.Amount, p.Terminal, p.Country)
	env := environment(&p, &f)
	for i, program := range w.programs {
		held, err := w.vm.Run(program, env)
		if err != nil {
			return err
		}
		if held.(bool) && !c.quiet(i, at, jobRules[i].cool) {
			alert(i)
		}
	}
	w.watermark = max(w.watermark, at-reference.Lateness.Milliseconds())
	return nil
}

// good is what one writes who knows where the time goes: sonic into the fields that are needed, without copying; rules in Go.
type good struct {
	partition
	slim slim // reused
}

type slim struct {
	At       time.Time `json:"at"`
	Customer string    `json:"customer_id"`
	Terminal string    `json:"terminal"`
	Amount   float64   `json:"amount"`
	Country  string    `json:"country"`
	Attempt  int       `json:"attempt"`
}

func newGood() (worker, error) {
	return &good{partition: partition{customers: map[string]*customer{}}}, nil
}

func (w *good) step(m *sarama.ConsumerMessage, alert func(rule int)) error {
	p := &w.slim
	*p = slim{}
	// sarama never reuses a message's bytes, so texts may be views; what is kept is cloned.
	if err := sonic.ConfigFastest.UnmarshalFromString(unsafe.String(unsafe.SliceData(m.Value), len(m.Value)), p); err != nil {
		return err
	}
	at := p.At.UnixMilli()
	if at < w.watermark {
		return nil
	}
	c := w.customer(p.Customer)
	f := c.absorb(at, p.Amount, p.Terminal, p.Country)
	holds := [10]bool{
		f.n >= 100,
		f.total > 10000,
		p.Amount > 3*f.usual && p.Amount > f.usual+4*f.spread,
		f.terminals >= 10,
		f.previous != "" && f.previous != p.Country && p.Amount > 99,
		f.n >= 3 && p.Amount > 5*f.usual,
		f.total > 9500 && p.Country == "SE",
		p.Amount > 95 && p.Attempt > 3,
		f.terminals >= 9 && f.n >= 20 && p.Amount > 99.9,
		f.total > 200*f.usual,
	}
	for i, held := range holds {
		if held && !c.quiet(i, at, jobRules[i].cool) {
			alert(i)
		}
	}
	w.watermark = max(w.watermark, at-reference.Lateness.Milliseconds())
	return nil
}
