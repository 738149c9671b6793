{{/* The names of the resources, and their metadata. */}}

{{- define "aws-job-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* 52 characters: a StatefulSet adds a hash of 10 to a label, and a label has 63. */}}
{{- define "aws-job-exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{- $name := include "aws-job-exporter.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "aws-job-exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "aws-job-exporter.serviceAccount" -}}
{{- default (ternary (include "aws-job-exporter.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "aws-job-exporter.image" -}}
{{- $image := .Values.image }}
{{- $registry := default $image.registry .Values.global.imageRegistry }}
{{- $name := ternary (printf "%s/%s" $registry $image.repository) $image.repository (ne $registry "") }}
{{- if $image.digest -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ default (print "v" .Chart.AppVersion) $image.tag }}
{{- end }}
{{- end }}

{{- define "aws-job-exporter.pullSecrets" -}}
{{- with concat (default list .Values.global.imagePullSecrets) .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "map" . }}{{ .name }}{{ else }}{{ . }}{{ end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The labels that select the exporter's pods; no other pod of the release has them. */}}
{{- define "aws-job-exporter.selector" -}}
app.kubernetes.io/name: {{ include "aws-job-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: exporter
{{- end }}

{{- define "aws-job-exporter.labels" -}}
{{ include "aws-job-exporter.selector" . }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The metadata of a resource. Takes a dict: root and, optionally, suffix, namespace, labels, annotations. */}}
{{- define "aws-job-exporter.metadata" -}}
{{- $labels := mustMergeOverwrite (include "aws-job-exporter.labels" .root | fromYaml) (deepCopy .root.Values.commonLabels) (default dict .labels | deepCopy) -}}
name: {{ include "aws-job-exporter.fullname" .root }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ default (include "aws-job-exporter.namespace" .root) .namespace }}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- with mustMergeOverwrite (deepCopy .root.Values.commonAnnotations) (default dict .annotations | deepCopy) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The labels that select the pod of `helm test`. */}}
{{- define "aws-job-exporter.testSelector" -}}
app.kubernetes.io/name: {{ include "aws-job-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: test
{{- end }}
