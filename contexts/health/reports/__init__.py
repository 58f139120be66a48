"""A report of one's measurements: on paper and as FHIR R4. Made when it is asked for, and not kept."""
