{{/* What the operator does in the namespaces that it watches; docs/reference/security.md says why. */}}
{{- define "steersman.namespacedRules" -}}
- apiGroups: [steersman.dev]
  resources: [modeldeployments, modelregistries, servingruntimes, analysistemplates]
  verbs: [get, list, watch]
# Removing the annotation that asked for a manual action.
- apiGroups: [steersman.dev]
  resources: [modeldeployments]
  verbs: [patch]
- apiGroups: [steersman.dev]
  resources: [modeldeployments/status, modelregistries/status]
  verbs: [update]
# Owner references that block the owner's deletion.
- apiGroups: [steersman.dev]
  resources: [modeldeployments/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments, controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
# Only those that a ModelRegistry names, only in its own namespace; never listed, so never read by chance.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end }}
