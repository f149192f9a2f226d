//! The data behind `newton.identity.*`, as the host gives it.

use regorus::extensions::identity::KycIdentityData;
use serde::Deserialize;

/// What an identity document says. Every field is wanted: an empty one would decide too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kyc {
    reference_date: String,
    status: String,
    selected_country_code: String,
    address_subdivision: String,
    address_country_code: String,
    birthdate: String,
    expiration_date: String,
    issue_date: String,
    issuing_authority: String,
}

impl From<Kyc> for KycIdentityData {
    fn from(kyc: Kyc) -> Self {
        KycIdentityData {
            reference_date: kyc.reference_date,
            status: kyc.status,
            selected_country_code: kyc.selected_country_code,
            address_subdivision: kyc.address_subdivision,
            address_country_code: kyc.address_country_code,
            birthdate: kyc.birthdate,
            expiration_date: kyc.expiration_date,
            issue_date: kyc.issue_date,
            issuing_authority: kyc.issuing_authority,
        }
    }
}
