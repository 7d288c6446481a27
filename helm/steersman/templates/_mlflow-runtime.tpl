{{/* The spec of the serving runtime `mlflow`. */}}
{{- define "steersman.mlflowRuntime" -}}
{{- $runtime := .Values.runtimes.mlflow }}
{{- $image := include "steersman.image" (dict "image" $runtime.image "root" .) }}
template:
  spec:
    automountServiceAccountToken: false
    enableServiceLinks: false
    # The preStop sleep, the server's own draining and the requests in flight.
    terminationGracePeriodSeconds: 45
    securityContext:
      runAsNonRoot: true
      runAsUser: 65532
      runAsGroup: 65532
      fsGroup: 65532
      seccompProfile:
        type: RuntimeDefault
    initContainers:
    - name: fetch
      image: {{ $image }}
      imagePullPolicy: {{ $runtime.image.pullPolicy }}
      command: [python, -m, steersman_server.fetch]
      env:
      - name: MODEL_DIR
        value: /model
      {{- with $runtime.fetchEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      resources:
        {{- toYaml $runtime.fetchResources | nindent 8 }}
      securityContext: &restricted
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
      - name: model
        mountPath: /model
      - name: tmp
        mountPath: /tmp
    containers:
    - name: model
      image: {{ $image }}
      imagePullPolicy: {{ $runtime.image.pullPolicy }}
      command: [python, -m, steersman_server]
      env:
      - name: MODEL_DIR
        value: /model
      - name: PORT
        value: "8080"
      # Named in every answer, and in the metrics that feedback makes.
      - name: STEERSMAN_REVISION
        valueFrom:
          fieldRef:
            fieldPath: metadata.labels['steersman.dev/revision']
      ports:
      - name: http
        containerPort: 8080
      # Ready means that the model is loaded and has answered its own input example.
      startupProbe:
        httpGet:
          path: /ready
          port: http
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: {{ div $runtime.startupSeconds 2 }}
      readinessProbe:
        httpGet:
          path: /ready
          port: http
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      livenessProbe:
        httpGet:
          path: /live
          port: http
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      lifecycle:
        preStop:
          # Requests still come in until every proxy knows that the pod is going.
          sleep:
            seconds: 5
      resources:
        {{- toYaml $runtime.resources | nindent 8 }}
      securityContext: *restricted
      volumeMounts:
      - name: model
        mountPath: /model
        readOnly: true
      - name: tmp
        mountPath: /tmp
    volumes:
    - name: model
      emptyDir: {{ empty $runtime.modelSizeLimit | ternary dict (dict "sizeLimit" $runtime.modelSizeLimit) | toJson }}
    - name: tmp
      emptyDir: {}
{{- end }}
