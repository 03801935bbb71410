{{- define "warikan.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 52 characters: a StatefulSet's pods carry a revision label made of its name and a hash. */}}
{{- define "warikan.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "warikan.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "warikan.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "warikan.selectorLabels" -}}
app.kubernetes.io/name: {{ include "warikan.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "warikan.labels" -}}
{{ include "warikan.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "warikan.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "warikan.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed where the chart makes none" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "warikan.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A value as TOML. JSON's scalars are TOML's; Helm's own toToml would write whole numbers as floats. */}}
{{- define "warikan.tomlValue" -}}
{{- if kindIs "map" . -}}
{{- $pairs := list -}}
{{- range $key, $value := . -}}
{{- $pairs = append $pairs (printf "%s = %s" $key (include "warikan.tomlValue" $value)) -}}
{{- end -}}
{ {{ join ", " $pairs }} }
{{- else if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . -}}
{{- $items = append $items (include "warikan.tomlValue" .) -}}
{{- end -}}
[{{ join ", " $items }}]
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end -}}

{{/* warikan.toml: scalars first, since a section swallows what follows it. */}}
{{- define "warikan.toml" -}}
data_dir = "/var/lib/warikan"
listen = "0.0.0.0:8787"
{{- range $key, $value := .Values.config }}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ include "warikan.tomlValue" $value }}
{{- end }}
{{- end }}
{{- if .Values.productionAnchors.configMap }}

[production]
anchors = "/etc/warikan-anchors"
{{- end }}
{{- range $section, $keys := .Values.config }}
{{- if kindIs "map" $keys }}

[{{ $section }}]
{{- range $key, $value := $keys }}
{{ $key }} = {{ include "warikan.tomlValue" $value }}
{{- end }}
{{- end }}
{{- end }}
{{ end -}}
