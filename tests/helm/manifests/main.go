// Reads the manifests of a chart, as helm renders them, and holds them against the types of the
// Kubernetes API and of the Prometheus operator: a field that is not there, one of another type and
// one that is there twice are errors, as they are for an API server that validates strictly. Pods
// have to keep to the level "restricted" of the Pod Security Standards.
//
// Writes the objects as one JSON array. Exit 1: something is wrong, a line each on stderr.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// podOf finds the pod that an object makes, if it makes any.
func podOf(object runtime.Object) (*meta.ObjectMeta, *core.PodSpec) {
	switch o := object.(type) {
	case *core.Pod:
		return &o.ObjectMeta, &o.Spec
	case *apps.Deployment:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	case *batch.Job:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	}
	return nil, nil
}

type checker struct {
	decoder   runtime.Decoder
	evaluator policy.Evaluator
	errors    int
	pods      int
}

func newChecker() (*checker, error) {
	if err := monitoring.AddToScheme(scheme.Scheme); err != nil {
		return nil, err
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	codecs := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict)
	return &checker{decoder: codecs.UniversalDeserializer(), evaluator: evaluator}, nil
}

func (c *checker) complain(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	c.errors++
}

func (c *checker) checkPod(what string, object runtime.Object) {
	metadata, spec := podOf(object)
	if spec == nil {
		return
	}
	c.pods++
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(c.evaluator.EvaluatePod(level, metadata, spec))
	if !result.Allowed {
		c.complain("%s: not restricted: %s", what, result.ForbiddenDetail())
	}
}

// check takes one document, and returns it as JSON.
func (c *checker) check(document []byte) (json.RawMessage, error) {
	raw, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, err
	}
	if string(raw) == "null" {
		return nil, nil // comments only
	}
	object, kind, err := c.decoder.Decode(document, nil, nil)
	what := "a document"
	if kind != nil {
		what = kind.Kind
	}
	if err != nil {
		c.complain("%s: %s\n%s", what, err, first(document))
		return raw, nil
	}
	c.checkPod(what, object)
	return raw, nil
}

func first(document []byte) string {
	lines := strings.SplitN(string(document), "\n", 9)
	return strings.Join(lines[:len(lines)-1], "\n")
}

func run() error {
	c, err := newChecker()
	if err != nil {
		return err
	}
	objects := []json.RawMessage{}
	reader := yamlstream.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		object, err := c.check(document)
		if err != nil {
			return err
		}
		if object != nil {
			objects = append(objects, object)
		}
	}
	if c.errors > 0 {
		return fmt.Errorf("%d of %d objects are wrong", c.errors, len(objects))
	}
	if c.pods == 0 {
		return errors.New("there is no pod in it")
	}
	return json.NewEncoder(os.Stdout).Encode(objects)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(1)
	}
}
