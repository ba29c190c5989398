// Package validate holds the files for Kubernetes to Kubernetes' own types, and to
// what they promise each other and the program.
package validate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// inferencePool is an InferencePool as version v1 of Kubernetes' inference gateways
// defines it, less its status. That project's module brings all of a controller
// along and is not needed for three fields.
type inferencePool struct {
	meta.TypeMeta `json:",inline"`
	Metadata      meta.ObjectMeta `json:"metadata"`
	Spec          struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		TargetPorts       []poolPort `json:"targetPorts"`
		EndpointPickerRef struct {
			Group       *string   `json:"group"`
			Kind        string    `json:"kind"`
			Name        string    `json:"name"`
			Port        *poolPort `json:"port"`
			FailureMode string    `json:"failureMode"`
		} `json:"endpointPickerRef"`
	} `json:"spec"`
}

type poolPort struct {
	Number int32 `json:"number"`
}

// decode decodes all documents of a file into the values, in which no field may be
// that their types lack, and none twice.
func decode(t *testing.T, name string, values ...any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	documents := bytes.Split(data, []byte("\n---\n"))
	if len(documents) != len(values) {
		t.Fatalf("%s has %d documents, want %d", name, len(documents), len(values))
	}
	for i, document := range documents {
		if err := unmarshal(document, values[i]); err != nil {
			t.Fatalf("%s, document %d: %v", name, i+1, err)
		}
	}
}

// unmarshal decodes YAML as strictly as Kubernetes does where it is asked to: names
// have their case, too.
func unmarshal(document []byte, value any) error {
	data, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	loose, err := json.UnmarshalStrict(data, value)
	return errors.Join(append(loose, err)...)
}

func kind(t *testing.T, m meta.TypeMeta, version, kind string) {
	t.Helper()
	if m.APIVersion != version || m.Kind != kind {
		t.Errorf("it is a %s of %s, want a %s of %s", m.Kind, m.APIVersion, kind, version)
	}
}

// value returns the value of a flag among arguments.
func value(t *testing.T, args []string, flag string) string {
	t.Helper()
	i := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, flag+"=") })
	if i < 0 {
		t.Fatalf("%q has no %s", args, flag)
	}
	return strings.TrimPrefix(args[i], flag+"=")
}

func duration(t *testing.T, args []string, flag string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(value(t, args, flag))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// confined checks that a pod can do what it must and nothing else.
func confined(t *testing.T, pod core.PodSpec) core.Container {
	t.Helper()
	if len(pod.Containers) != 1 {
		t.Fatalf("%d containers, want 1", len(pod.Containers))
	}
	c := pod.Containers[0]
	yes := func(p *bool) bool { return p != nil && *p }
	no := func(p *bool) bool { return p != nil && !*p }
	all, one := pod.SecurityContext, c.SecurityContext
	switch {
	case all == nil || one == nil:
		t.Fatal("there is no security context")
	case !yes(all.RunAsNonRoot) || all.RunAsUser == nil || *all.RunAsUser == 0 || all.SeccompProfile == nil || all.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault:
		t.Error("it may run as root, or call whatever it likes")
	case !yes(one.ReadOnlyRootFilesystem) || !no(one.AllowPrivilegeEscalation) || one.Capabilities == nil || !slices.Equal(one.Capabilities.Drop, []core.Capability{"ALL"}):
		t.Error("it may write to its root, or get more rights")
	case !no(pod.AutomountServiceAccountToken):
		t.Error("it has a token of the cluster")
	}
	if len(c.Resources.Requests) != 2 || len(c.Resources.Limits) != 2 {
		t.Errorf("resources are %v", c.Resources)
	}
	for name, requested := range c.Resources.Requests {
		if limit := c.Resources.Limits[name]; requested.Cmp(limit) != 0 {
			t.Errorf("%s: %v is requested, and %v the limit", name, requested.String(), limit.String())
		}
	}
	if cpu := c.Resources.Limits[core.ResourceCPU]; cpu.MilliValue()%1000 != 0 || cpu.IsZero() {
		t.Errorf("%v are no whole processors", cpu.String())
	}
	volumes := map[string]core.Volume{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v
	}
	for _, m := range c.VolumeMounts {
		if _, ok := volumes[m.Name]; !ok {
			t.Errorf("there is no volume %s", m.Name)
		}
		if m.Name == "models" && !m.ReadOnly {
			t.Error("models can be written to")
		}
		delete(volumes, m.Name)
	}
	if len(volumes) > 0 {
		t.Errorf("volumes that are not mounted: %v", volumes)
	}
	return c
}

func TestServing(t *testing.T) {
	var d apps.Deployment
	var s core.Service
	var h autoscaling.HorizontalPodAutoscaler
	var p inferencePool
	decode(t, "kubernetes.yaml", &d, &s, &h)
	decode(t, "inferencepool.yaml", &p)
	kind(t, d.TypeMeta, "apps/v1", "Deployment")
	kind(t, s.TypeMeta, "v1", "Service")
	kind(t, h.TypeMeta, "autoscaling/v2", "HorizontalPodAutoscaler")
	kind(t, p.TypeMeta, "inference.networking.k8s.io/v1", "InferencePool")

	c := confined(t, d.Spec.Template.Spec)
	if c.Args[0] != "serve" {
		t.Errorf("it runs %q", c.Args)
	}
	delay, timeout := duration(t, c.Args, "--drain-delay"), duration(t, c.Args, "--drain-timeout")
	grace := d.Spec.Template.Spec.TerminationGracePeriodSeconds
	if grace == nil || time.Duration(*grace)*time.Second < delay+timeout+5*time.Second {
		t.Errorf("%v seconds of grace are too few for a delay of %v and a timeout of %v", grace, delay, timeout)
	}
	ready := c.ReadinessProbe
	if seen := time.Duration(ready.PeriodSeconds*ready.FailureThreshold) * time.Second; delay < 2*seen {
		t.Errorf("it is seen after %v that a replica leaves, which takes requests for %v only", seen, delay)
	}
	for path, probe := range map[string]*core.Probe{"/readyz": ready, "/livez": c.LivenessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != c.Ports[0].Name {
			t.Errorf("the probe of %s is %v", path, probe)
		}
	}
	if rolling := d.Spec.Strategy.RollingUpdate; rolling == nil || rolling.MaxUnavailable.IntValue() != 0 || rolling.MaxSurge.IntValue() == 0 {
		t.Error("during an update replicas are missing")
	}

	labels := d.Spec.Template.Labels
	for who, selector := range map[string]map[string]string{"the deployment": d.Spec.Selector.MatchLabels, "the service": s.Spec.Selector, "the pool": p.Spec.Selector.MatchLabels} {
		if len(selector) == 0 {
			t.Errorf("%s selects everything", who)
		}
		for name, want := range selector {
			if labels[name] != want {
				t.Errorf("%s selects %s=%s, which replicas do not have", who, name, want)
			}
		}
	}
	port := c.Ports[0].ContainerPort
	if len(p.Spec.TargetPorts) != 1 || p.Spec.TargetPorts[0].Number != port || value(t, c.Args, "--addr") != ":8080" || port != 8080 {
		t.Errorf("the pool asks at %v, the container listens at %d", p.Spec.TargetPorts, port)
	}
	if s.Spec.Ports[0].TargetPort.StrVal != c.Ports[0].Name {
		t.Errorf("the service asks at %v", s.Spec.Ports[0].TargetPort)
	}
	if ref := p.Spec.EndpointPickerRef; ref.Name == "" || ref.Port == nil || ref.FailureMode != "FailOpen" && ref.FailureMode != "FailClose" {
		t.Errorf("the endpoint picker is %v", ref)
	}
	if value(t, c.Args, "--metrics-compat") != "vllm" {
		t.Error("an endpoint picker finds no gauges")
	}

	target := h.Spec.ScaleTargetRef
	if target.Kind != d.Kind || target.Name != d.Name || target.APIVersion != d.APIVersion {
		t.Errorf("it scales %v", target)
	}
	if m := h.Spec.Metrics; len(m) != 1 || m[0].Type != autoscaling.PodsMetricSourceType || m[0].Pods == nil || m[0].Pods.Target.AverageValue == nil {
		t.Errorf("it scales by %v", m)
	} else {
		metrics, err := os.ReadFile("../../../../bitnet/openai/metrics.go")
		if err != nil {
			t.Fatal(err)
		}
		if name := m[0].Pods.Metric.Name; !bytes.Contains(metrics, []byte(`gauge("`+name+`"`)) {
			t.Errorf("the server has no gauge %s", name)
		}
	}
}

func TestJob(t *testing.T) {
	var j batch.Job
	decode(t, "batch-job.yaml", &j)
	kind(t, j.TypeMeta, "batch/v1", "Job")
	c := confined(t, j.Spec.Template.Spec)
	if j.Spec.CompletionMode == nil || *j.Spec.CompletionMode != batch.IndexedCompletion || j.Spec.Completions == nil {
		t.Fatal("it is not indexed")
	}
	_, parts, _ := strings.Cut(value(t, c.Args, "--shard"), "/")
	if want := *j.Spec.Completions; parts != string(rune('0'+want)) {
		t.Errorf("%s parts, but %d completions", parts, want)
	}
	for _, flag := range []string{"--shard", "--output"} {
		if !strings.Contains(value(t, c.Args, flag), "$(JOB_COMPLETION_INDEX)") {
			t.Errorf("%s does not depend on the index", flag)
		}
	}
	if c.Args[0] != "batch" || j.Spec.Template.Spec.RestartPolicy != core.RestartPolicyNever {
		t.Errorf("it runs %q, and restarts %s", c.Args, j.Spec.Template.Spec.RestartPolicy)
	}
}

// TestStrict has each kind of mistake found.
func TestStrict(t *testing.T) {
	data, err := os.ReadFile("../batch-job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range [][2]string{{"completions:", "completion:"}, {"parallelism: 4", `parallelism: "4"`}, {"readOnly:", "readonly:"}, {"kind: Job", "kind: Job\nkind: Job"}} {
		changed := bytes.Replace(data, []byte(edit[0]), []byte(edit[1]), 1)
		if bytes.Equal(changed, data) || unmarshal(changed, new(batch.Job)) == nil {
			t.Errorf("%q for %q is not found", edit[1], edit[0])
		}
	}
}
