{{/* How the exporter is reached: what the chart must know from the configuration and the web configuration file. */}}

{{- define "aws-job-exporter.telemetryPath" -}}
{{- dig "web" "telemetry_path" "/metrics" .Values.config }}
{{- end }}

{{/* The web configuration file, or nothing. */}}
{{- define "aws-job-exporter.webConfig" -}}
{{- $config := deepCopy .Values.web.config }}
{{- if and .Values.web.tls.secretName (not .Values.web.existingSecret) }}
{{- $files := dict "cert_file" "/etc/aws-job-exporter/tls/tls.crt" "key_file" "/etc/aws-job-exporter/tls/tls.key" }}
{{- $config = mustMergeOverwrite (dict "tls_server_config" $files) $config }}
{{- end }}
{{- with $config }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "aws-job-exporter.webSecret" -}}
{{- if .Values.web.existingSecret -}}
{{ .Values.web.existingSecret }}
{{- else if include "aws-job-exporter.webConfig" . -}}
{{ include "aws-job-exporter.fullname" . }}-web
{{- end }}
{{- end }}

{{/* "true" or nothing. */}}
{{- define "aws-job-exporter.tls" -}}
{{- if or .Values.web.tls.enabled .Values.web.tls.secretName .Values.web.config.tls_server_config }}true{{ end }}
{{- end }}

{{- define "aws-job-exporter.clientCertificates" -}}
{{- $type := dig "tls_server_config" "client_auth_type" "" .Values.web.config }}
{{- if or .Values.web.tls.clientCertificates (eq $type "RequireAndVerifyClientCert") }}true{{ end }}
{{- end }}

{{- define "aws-job-exporter.scheme" -}}
{{- ternary "https" "http" (eq (include "aws-job-exporter.tls" .) "true") }}
{{- end }}

{{/* A command that reads a page as the kubelet and Prometheus would: it accepts any certificate and knows the password. */}}
{{- define "aws-job-exporter.get" -}}
- python3
- -I
- /etc/aws-job-exporter/get/get.py
- {{ .url }}
{{- if .root.Values.web.basicAuth.secretName }}
- /etc/aws-job-exporter/client/{{ .root.Values.web.basicAuth.usernameKey }}
- /etc/aws-job-exporter/client/{{ .root.Values.web.basicAuth.passwordKey }}
{{- end }}
{{- end }}

{{- define "aws-job-exporter.getMounts" -}}
- {name: get, mountPath: /etc/aws-job-exporter/get, readOnly: true}
{{- if .Values.web.basicAuth.secretName }}
- {name: client, mountPath: /etc/aws-job-exporter/client, readOnly: true}
{{- end }}
{{- end }}

{{- define "aws-job-exporter.getVolumes" -}}
- name: get
  configMap: {name: {{ include "aws-job-exporter.fullname" . }}-get}
{{- with .Values.web.basicAuth.secretName }}
- name: client
  secret: {secretName: {{ . }}}
{{- end }}
{{- end }}

{{/*
The handler of a probe. The kubelet's HTTP probes can only send a password that is in the pod's manifest for all to read, so
with a password, the probe runs a command inside the container; and they have no client certificate, so if one is required,
the probe only checks that the port is open. Takes a dict: root, probe, path.
*/}}
{{- define "aws-job-exporter.probe" -}}
{{- $own := or .probe.httpGet .probe.exec .probe.tcpSocket .probe.grpc }}
{{- if $own }}
{{- else if include "aws-job-exporter.clientCertificates" .root -}}
tcpSocket:
  port: metrics
{{ else if .root.Values.web.basicAuth.secretName -}}
exec:
  command:
    {{- $url := printf "%s://localhost:%v%s" (include "aws-job-exporter.scheme" .root) .root.Values.containerPort .path }}
    {{- include "aws-job-exporter.get" (dict "root" .root "url" $url) | nindent 4 }}
{{ else -}}
httpGet:
  path: {{ .path }}
  port: metrics
  scheme: {{ include "aws-job-exporter.scheme" .root | upper }}
{{ end }}
{{- toYaml .probe }}
{{- end }}

{{/*
Relabelings after which the series of a pod are those of its successor: `instance` is the name of the service, or of the shard, and
there is no `pod`. Where both run at once for a while, each keeps its address.
*/}}
{{- define "aws-job-exporter.stableInstance" -}}
{{- $name := include "aws-job-exporter.fullname" . }}
{{- $namespace := include "aws-job-exporter.namespace" . }}
{{- if gt (int .Values.shards) 1 }}
- sourceLabels: [__meta_kubernetes_pod_name]
  targetLabel: instance
  replacement: $1.{{ $name }}-shards.{{ $namespace }}.svc:{{ .Values.containerPort }}
{{- else if eq (default "" .Values.strategy.type) "Recreate" }}
- targetLabel: instance
  replacement: {{ $name }}.{{ $namespace }}.svc:{{ .Values.service.port }}
{{- end }}
- action: labeldrop
  regex: pod
{{- end }}

{{/* The endpoint of a monitor of the Prometheus operator. Takes a dict: root, monitor. */}}
{{- define "aws-job-exporter.endpoint" -}}
{{- $web := .root.Values.web -}}
port: metrics
path: {{ include "aws-job-exporter.telemetryPath" .root }}
scheme: {{ include "aws-job-exporter.scheme" .root }}
honorLabels: {{ .monitor.honorLabels }}
{{- range $key := list "interval" "scrapeTimeout" "proxyUrl" }}
{{- with index $.monitor $key }}
{{ $key }}: {{ . }}
{{- end }}
{{- end }}
{{- $stable := list }}
{{- if .monitor.stableInstance }}
{{- $stable = include "aws-job-exporter.stableInstance" .root | fromYamlArray }}
{{- end }}
{{- with concat $stable .monitor.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $web.basicAuth }}
{{- if .secretName }}
basicAuth:
  username: {name: {{ .secretName }}, key: {{ .usernameKey }}}
  password: {name: {{ .secretName }}, key: {{ .passwordKey }}}
{{- end }}
{{- end }}
{{- with .monitor.authorization }}
authorization:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .monitor.tlsConfig }}
tlsConfig:
  {{- toYaml .monitor.tlsConfig | nindent 2 }}
{{- else if $web.tls.caKey }}
tlsConfig:
  ca:
    secret: {name: {{ $web.tls.secretName }}, key: {{ $web.tls.caKey }}}
  serverName: {{ include "aws-job-exporter.fullname" .root }}.{{ include "aws-job-exporter.namespace" .root }}.svc
{{- end }}
{{- end }}
