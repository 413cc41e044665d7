"""Which properties and extensions STIX defines, in either edition; all else is somebody's own (rule term ``unknown_properties``)."""

from __future__ import annotations

from functools import cache

_COMMON = frozenset(
    "type spec_version id created_by_ref created modified revoked labels confidence lang external_references object_marking_refs "
    "granular_markings defanged extensions".split()
)
_CUSTOM_TYPE = _COMMON | {"name", "description"}

_OWN: dict[str, str] = {
    "artifact": "decryption_key encryption_algorithm hashes mime_type payload_bin url",
    "attack-pattern": "aliases description kill_chain_phases name",
    "autonomous-system": "name number rir",
    "campaign": "aliases description first_seen last_seen name objective",
    "course-of-action": "description name",
    "directory": "accessed atime contains_refs created ctime modified mtime path path_enc",
    "domain-name": "resolves_to_refs value",
    "email-addr": "belongs_to_ref display_name value",
    "email-message": "additional_header_fields bcc_refs body body_multipart cc_refs content_type date from_ref is_multipart message_id "
    "raw_email_ref received_lines sender_ref subject to_refs",
    "extension-definition": "description extension_properties extension_types name schema version",
    "file": "accessed atime contains_refs content_ref ctime decryption_key encryption_algorithm hashes is_encrypted magic_number_hex "
    "mime_type mtime name name_enc parent_directory_ref size",
    "grouping": "context description name object_refs",
    "identity": "contact_information description identity_class name roles sectors",
    "incident": "description kill_chain_phases name",
    "indicator": "description indicator_types kill_chain_phases name pattern pattern_type pattern_version valid_from valid_until",
    "infrastructure": "aliases description first_seen infrastructure_types kill_chain_phases last_seen name",
    "intrusion-set": "aliases description first_seen goals last_seen name primary_motivation resource_level secondary_motivations",
    "ipv4-addr": "belongs_to_refs resolves_to_refs value",
    "ipv6-addr": "belongs_to_refs resolves_to_refs value",
    "language-content": "contents object_modified object_ref",
    "location": "administrative_area city country description latitude longitude name postal_code precision region street_address",
    "mac-addr": "value",
    "malware": "aliases architecture_execution_envs capabilities description first_seen implementation_languages is_family "
    "kill_chain_phases last_seen malware_types name operating_system_refs sample_refs",
    "malware-analysis": "analysis_definition_version analysis_ended analysis_engine_version analysis_sco_refs analysis_started "
    "configuration_version host_vm_ref installed_software_refs modules operating_system_ref product result result_name sample_ref "
    "submitted version",
    "marking-definition": "definition definition_type name",
    "mutex": "name",
    "network-traffic": "dst_byte_count dst_packets dst_payload_ref dst_port dst_ref encapsulated_by_ref encapsulates_by_ref "
    "encapsulates_refs end ipfix is_active protocols src_byte_count src_packets src_payload_ref src_port src_ref start",
    "note": "abstract authors content object_refs",
    "observed-data": "first_observed last_observed number_observed object_refs objects",
    "opinion": "authors explanation object_refs opinion",
    "process": "arguments binary_ref child_refs command_line created created_time creator_user_ref cwd environment_variables image_ref "
    "is_hidden name opened_connection_refs parent_ref pid",
    "relationship": "description relationship_type source_ref start_time stop_time target_ref",
    "report": "description name object_refs published report_types",
    "sighting": "count description first_seen last_seen observed_data_refs sighting_of_ref summary where_sighted_refs",
    "software": "cpe languages name swid vendor version",
    "threat-actor": "aliases description first_seen goals last_seen name personal_motivations primary_motivation resource_level roles "
    "secondary_motivations sophistication threat_actor_types",
    "tool": "aliases description kill_chain_phases name tool_types tool_version",
    "url": "value",
    "user-account": "account_created account_expires account_first_login account_last_login account_login account_type "
    "can_escalate_privs credential credential_last_changed display_name is_disabled is_privileged is_service_account "
    "password_last_changed user_id",
    "vulnerability": "description name",
    "windows-registry-key": "creator_user_ref key modified modified_time number_of_subkeys values",
    "x509-certificate": "hashes is_self_signed issuer serial_number signature_algorithm subject subject_public_key_algorithm "
    "subject_public_key_exponent subject_public_key_modulus validity_not_after validity_not_before version x509_v3_extensions",
}

KNOWN_EXTENSIONS = frozenset(
    "archive-ext http-request-ext icmp-ext ntfs-ext pdf-ext raster-image-ext socket-ext tcp-ext unix-account-ext windows-pebinary-ext "
    "windows-process-ext windows-service-ext".split()
)
"""Keys of the extensions that STIX itself defines."""


@cache
def known_properties(kind: str) -> frozenset[str]:
    """Return the names of the properties of a type; of a custom type those that all types share, and name and description."""
    own = _OWN.get(kind)
    return _CUSTOM_TYPE if own is None else _COMMON | frozenset(own.split())
