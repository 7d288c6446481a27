{{/*
A built-in object of every place that the operator looks in: one of the cluster, or one in each watched namespace.
Takes a dict with `root`, `kind` (ServingRuntime or AnalysisTemplate), `name` and `spec`.
They stay when the release is uninstalled, so that nothing changes for the ModelDeployments that name them.
*/}}
{{- define "steersman.builtin" -}}
{{- $object := . }}
{{- range $namespace := default (list "") .root.Values.watchNamespaces }}
---
apiVersion: steersman.dev/v1alpha1
kind: {{ if not $namespace }}Cluster{{ end }}{{ $object.kind }}
metadata:
  name: {{ $object.name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "steersman.labels" $object.root | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  {{- toYaml $object.spec | nindent 2 }}
{{- end }}
{{- end }}
