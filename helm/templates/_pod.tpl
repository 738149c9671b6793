{{/* The pod, for both Deployment and StatefulSet. */}}
{{- define "aws-job-exporter.pod" -}}
{{- $values := .Values }}
{{- $web := include "aws-job-exporter.webSecret" . }}
{{- $storage := include "aws-job-exporter.storage" . }}
{{- $labels := mustMergeOverwrite (include "aws-job-exporter.labels" . | fromYaml) (deepCopy $values.commonLabels) (deepCopy $values.podLabels) (include "aws-job-exporter.selector" . | fromYaml) -}}
metadata:
  labels:
    {{- toYaml $labels | nindent 4 }}
  annotations:
    kubectl.kubernetes.io/default-container: exporter
    {{- if eq $storage "emptyDir" }}
    # What is lost with it is read again: no reason to keep a node.
    cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: storage
    {{- end }}
    {{- if not (or $values.existingConfigMap $values.existingSecret) }}
    checksum/config: {{ toYaml $values.config | sha256sum }}
    {{- end }}
    {{- if and $web (not $values.web.existingSecret) }}
    checksum/web: {{ include "aws-job-exporter.webConfig" . | sha256sum }}
    {{- end }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "aws-job-exporter.serviceAccount" . }}
  automountServiceAccountToken: {{ $values.serviceAccount.automountToken }}
  # The variables for a service named aws-job-exporter would look like the exporter's own.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  {{- with include "aws-job-exporter.pullSecrets" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $values.dnsPolicy | default (ternary "ClusterFirstWithHostNet" "" $values.hostNetwork) }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- if $values.hostNetwork }}
  hostNetwork: true
  {{- end }}
  {{- range $key := list "priorityClassName" "runtimeClassName" "schedulerName" }}
  {{- with index $values $key }}
  {{ $key }}: {{ . }}
  {{- end }}
  {{- end }}
  {{- range $key := list "nodeSelector" "tolerations" "affinity" "hostAliases" "dnsConfig" "initContainers" }}
  {{- with index $values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with $values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- $selector := dict "labelSelector" (dict "matchLabels" (include "aws-job-exporter.selector" $ | fromYaml)) }}
    {{- range . }}
    - {{- toYaml (hasKey . "labelSelector" | ternary . (merge (deepCopy .) $selector)) | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- with $values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: exporter
      image: {{ include "aws-job-exporter.image" . }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      {{- with $values.command }}
      command:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      args:
        - --config.file=/etc/aws-job-exporter/config/{{ include "aws-job-exporter.configKey" . }}
        - --web.listen-address=:{{ $values.containerPort }}
        {{- if $web }}
        - --web.config.file=/etc/aws-job-exporter/web/web.yml
        {{- end }}
        {{- if $storage }}
        - --storage.path=/var/lib/aws-job-exporter
        {{- end }}
        {{- if kindIs "map" $values.extraArgs }}
        {{- range $flag, $value := $values.extraArgs }}
        {{- range kindIs "slice" $value | ternary $value (list $value) }}
        {{- if not (kindIs "invalid" .) }}
        - {{ printf "--%s=%s" $flag (kindIs "string" . | ternary . (toJson .)) | quote }}
        {{- end }}
        {{- end }}
        {{- end }}
        {{- else }}
        {{- range $values.extraArgs }}
        - {{ . | quote }}
        {{- end }}
        {{- end }}
      {{- $env := include "aws-job-exporter.env" . | fromYamlArray }}
      {{- with concat $env $values.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- $envFrom := list }}
      {{- with $values.aws.credentialsSecret }}
      {{- $envFrom = list (dict "secretRef" (dict "name" .)) }}
      {{- end }}
      {{- with concat $envFrom $values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: metrics
          containerPort: {{ $values.containerPort }}
          protocol: TCP
      {{- range $probe, $path := dict "livenessProbe" "/-/healthy" "readinessProbe" "/-/ready" "startupProbe" "/-/healthy" }}
      {{- with index $values $probe }}
      {{- if dig "enabled" true . }}
      {{ $probe }}:
        {{- include "aws-job-exporter.probe" (dict "root" $ "probe" (omit . "enabled") "path" $path) | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- end }}
      {{- range $key := list "lifecycle" "resources" "securityContext" }}
      {{- with index $values $key }}
      {{ $key }}:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      volumeMounts:
        # Directories, not single files: Kubernetes updates their contents when a ConfigMap or a Secret changes.
        - {name: config, mountPath: /etc/aws-job-exporter/config, readOnly: true}
        {{- if $web }}
        - {name: web, mountPath: /etc/aws-job-exporter/web, readOnly: true}
        {{- end }}
        {{- if $values.web.tls.secretName }}
        - {name: tls, mountPath: /etc/aws-job-exporter/tls, readOnly: true}
        {{- end }}
        {{- if $values.web.basicAuth.secretName }}
        {{- include "aws-job-exporter.getMounts" . | nindent 8 }}
        {{- end }}
        {{- if $storage }}
        - {name: storage, mountPath: /var/lib/aws-job-exporter}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with $values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      {{- include "aws-job-exporter.configVolume" . | nindent 6 }}
    {{- range $name, $secret := dict "tls" $values.web.tls.secretName "web" $web }}
    {{- with $secret }}
    - name: {{ $name }}
      secret: {secretName: {{ . }}}
    {{- end }}
    {{- end }}
    {{- if $values.web.basicAuth.secretName }}
    {{- include "aws-job-exporter.getVolumes" . | nindent 4 }}
    {{- end }}
    {{- /* The volumes of shards come from the StatefulSet's claim templates. */}}
    {{- if and $values.persistence.enabled (eq (int $values.shards) 1) }}
    - name: storage
      persistentVolumeClaim: {claimName: {{ default (include "aws-job-exporter.fullname" .) $values.persistence.existingClaim }}}
    {{- end }}
    {{- if eq $storage "emptyDir" }}
    - {name: storage, emptyDir: {}}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/*
Where what is known of jobs is kept: on a "volume", or in an "emptyDir", or nowhere. A configuration that is not the chart's may name
another directory, and the flag would win.
*/}}
{{- define "aws-job-exporter.storage" -}}
{{- if .Values.persistence.enabled -}}
volume
{{- else if and .Values.persistence.ephemeral (not (or .Values.existingConfigMap .Values.existingSecret (dig "storage" "path" "" .Values.config))) -}}
emptyDir
{{- end }}
{{- end }}

{{- define "aws-job-exporter.env" -}}
{{- with .Values.aws.region }}
- {name: AWS_REGION, value: {{ . }}}
{{- end }}
{{- if gt (int .Values.shards) 1 }}
# The exporter takes the shard's index from the number at the end of the pod's name.
- {name: AWS_JOB_EXPORTER_SHARD__COUNT, value: {{ .Values.shards | quote }}}
{{- if .Values.hostNetwork }}
# In the node's network, the host name is the node's.
- {name: HOSTNAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
{{- end }}
{{- end }}
{{- end }}

{{- define "aws-job-exporter.configKey" -}}
{{- ternary .Values.existingKey "exporter.yml" (or .Values.existingConfigMap .Values.existingSecret | empty | not) }}
{{- end }}

{{- define "aws-job-exporter.configVolume" -}}
{{- $name := include "aws-job-exporter.fullname" . }}
{{- if .Values.existingSecret -}}
secret: {secretName: {{ .Values.existingSecret }}}
{{- else if .Values.existingConfigMap -}}
configMap: {name: {{ .Values.existingConfigMap }}}
{{- else if eq .Values.configKind "Secret" -}}
secret: {secretName: {{ $name }}}
{{- else -}}
configMap: {name: {{ $name }}}
{{- end }}
{{- end }}

{{/* What a volume has to be, for a claim and for the claim template of shards. */}}
{{- define "aws-job-exporter.claim" -}}
accessModes:
  {{- toYaml .Values.persistence.accessModes | nindent 2 }}
{{- with .Values.persistence.storageClassName }}
storageClassName: {{ . | quote }}
{{- end }}
resources:
  requests: {storage: {{ .Values.persistence.size | quote }}}
{{- end }}
