package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// flux judges by an entry of healthCheckExprs as Flux does: github.com/fluxcd/pkg/runtime/cel, status_evaluator.go.
func flux(file string) (judge, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var given map[status.Status]string
	if err := json.Unmarshal(text, &given); err != nil {
		return nil, err
	}
	environment, err := cel.NewEnv(cel.HomogeneousAggregateLiterals(), cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true), cel.CrossTypeNumericComparisons(true), cel.OptionalTypes(),
		ext.Strings(), ext.Sets(), ext.Encoders())
	if err != nil {
		return nil, err
	}
	programs := map[status.Status]cel.Program{}
	for name, expression := range given {
		// Flux does not compile either: it does not know the fields of an object.
		parsed, issues := environment.Parse(expression)
		if issues.Err() != nil {
			return nil, issues.Err()
		}
		if programs[name], err = environment.Program(parsed, cel.EvalOptions(cel.OptOptimize)); err != nil {
			return nil, err
		}
	}
	return func(object *unstructured.Unstructured) (answer, error) {
		content := object.UnstructuredContent()
		observed, seen, err := unstructured.NestedInt64(content, "status", "observedGeneration")
		if err == nil && seen && observed != object.GetGeneration() {
			return answer{Status: status.InProgressStatus.String()}, nil
		}
		for _, name := range []status.Status{status.InProgressStatus, status.FailedStatus, status.CurrentStatus} {
			program, found := programs[name]
			if !found {
				continue
			}
			result, _, err := program.Eval(content)
			if err != nil {
				return answer{}, err
			}
			holds, boolean := result.Value().(bool)
			if !boolean {
				return answer{}, fmt.Errorf("the expression for %s is neither true nor false", name)
			}
			if holds {
				return answer{Status: name.String()}, nil
			}
		}
		return answer{Status: status.InProgressStatus.String()}, nil
	}, nil
}
