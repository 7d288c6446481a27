// Command kstatus says what kstatus makes of Kubernetes objects: a stream of JSON objects in, a line of JSON for each out.
//
// With -expressions the CEL expressions in a JSON file decide, as those of healthCheckExprs in a Flux Kustomization do; its
// keys are the statuses InProgress, Failed and Current.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type answer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type judge func(*unstructured.Unstructured) (answer, error)

func main() {
	expressions := flag.String("expressions", "", "file with CEL expressions by status")
	flag.Parse()
	if err := run(*expressions); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(expressions string) error {
	decide := library
	if expressions != "" {
		var err error
		if decide, err = flux(expressions); err != nil {
			return err
		}
	}
	objects, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var raw json.RawMessage
		if err := objects.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		// Unlike encoding/json it keeps integers apart from other numbers, which both judges rely on.
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(raw); err != nil {
			return err
		}
		found, err := decide(object)
		if err != nil {
			return err
		}
		if err := answers.Encode(found); err != nil {
			return err
		}
	}
}

func library(object *unstructured.Unstructured) (answer, error) {
	found, err := status.Compute(object)
	if err != nil {
		return answer{}, err
	}
	return answer{Status: found.Status.String(), Message: found.Message}, nil
}
