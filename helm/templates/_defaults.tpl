{{/*
Gives the values that are null their defaults; each template starts with it. Helm removes a value that is null, such as a section in
which everything is commented out, and what is missing cannot be read. What Kubernetes takes as a whole stays removed: a probe,
an entry of a security context.
*/}}
{{- define "aws-job-exporter.defaults" -}}
{{- /* All templates share the values. */}}
{{- if not (hasKey .Values "filled") }}
{{- include "aws-job-exporter.filled" (dict "values" .Values "defaults" (.Files.Get "files/defaults.yaml" | fromYaml)) }}
{{- $_ := set .Values "filled" true }}
{{- end }}
{{- end }}

{{- define "aws-job-exporter.filled" -}}
{{- $whole := list "livenessProbe" "readinessProbe" "startupProbe" "podSecurityContext" "securityContext" "resources" "labels" "matchLabels" }}
{{- range $key, $default := .defaults }}
{{- $value := get $.values $key }}
{{- $isWhole := and (has $key $whole) (kindIs "map" $default) (not (empty $default)) }}
{{- if or $isWhole (not (hasKey $.values $key)) (kindIs "invalid" $value) }}
{{- if not $isWhole }}
{{- $_ := set $.values $key $default }}
{{- end }}
{{- else if kindIs "map" $default | and (kindIs "map" $value) }}
{{- include "aws-job-exporter.filled" (dict "values" $value "defaults" $default) }}
{{- end }}
{{- end }}
{{- end }}
