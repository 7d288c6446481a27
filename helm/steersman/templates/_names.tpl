{{- define "steersman.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* The release's name alone when it already says what this is, as in `helm install steersman`. */}}
{{- define "steersman.fullname" -}}
{{- $name := include "steersman.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* ClusterRoles and their bindings have no namespace of their own: two releases must not share one. */}}
{{- define "steersman.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "steersman.fullname" .) }}
{{- end }}

{{- define "steersman.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "steersman.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "steersman.selectorLabels" -}}
app.kubernetes.io/name: {{ include "steersman.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "steersman.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "steersman.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: steersman
{{- end }}

{{/* Takes a dict with `image` and `root`. */}}
{{- define "steersman.image" -}}
{{- if .image.digest }}
{{- printf "%s@%s" .image.repository .image.digest }}
{{- else }}
{{- printf "%s:%s" .image.repository (default .root.Chart.AppVersion .image.tag) }}
{{- end }}
{{- end }}
