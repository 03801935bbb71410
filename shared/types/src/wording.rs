//! What a tenant may say to its customer about a certificate: sentences to be taken over as they are.
//!
//! They tell only what the customer may hear from that firm. None speaks of a death (公的個人認証法 has certificates end for many
//! causes under one reason), and none blames the customer.

use serde::Serialize;
use utoipa::ToSchema;

use crate::RevocationReason;

/// A sentence for the customer, in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CustomerWording)]
pub struct Wording {
    /// Japanese.
    pub ja: &'static str,
    /// English.
    pub en: &'static str,
}

impl Wording {
    /// For a certificate whose time is over.
    pub const EXPIRED: Self = Self {
        ja: "お客様の電子証明書の有効期間が満了しました。新しい電子証明書によるお手続きをお願いいたします。",
        en: "Your electronic certificate has expired. Please complete the procedure with your new certificate.",
    };
}

impl RevocationReason {
    /// What to say to the customer.
    #[must_use]
    pub const fn customer_wording(self) -> Wording {
        match self {
            Self::Unspecified => Wording {
                ja: "ご提示の電子証明書は有効なものとして確認できませんでした。お住まいの市区町村の窓口にご確認ください。",
                en: "We could not confirm that the certificate you presented is valid. Please ask at your municipal office.",
            },
            Self::KeyCompromise => Wording {
                ja: "お客様の電子証明書が失効していることを確認しました。カードの紛失等にお心当たりがないかご確認のうえ、改めて本人確認をお願いいたします。",
                en: "Your electronic certificate has been revoked. Please check that you still have your card, and verify your identity with us again.",
            },
            Self::CaCompromise | Self::AaCompromise => Wording {
                ja: "電子証明書の発行機関の都合により、現在お客様の電子証明書を確認できません。追ってご案内いたします。",
                en: "For reasons on the side of the issuing authority we cannot confirm your certificate at present. We will contact you again.",
            },
            Self::AffiliationChanged => Wording {
                ja: "ご登録の氏名・住所・生年月日・性別のいずれかに変更があったことを確認しました。お手数ですが、現在の内容のお届け出をお願いいたします。",
                en: "We have learned that your name, address, date of birth or sex on record has changed. Please let us know your current details.",
            },
            Self::Superseded => Wording {
                ja: "お客様の電子証明書が更新されたことを確認しました。お手続きは不要です。次回から新しい電子証明書をご利用ください。",
                en: "Your electronic certificate has been renewed. There is nothing you need to do; please use the new certificate from now on.",
            },
            Self::CessationOfOperation => Wording {
                ja: "ご登録の電子証明書はご利用いただけなくなりました。別の方法による本人確認をお願いいたします。",
                en: "The certificate you registered can no longer be used. Please verify your identity by another method.",
            },
            Self::CertificateHold => Wording {
                ja: "お客様の電子証明書の効力が停止されていることを確認しました。改めて本人確認をお願いいたします。",
                en: "Your electronic certificate has been suspended. Please verify your identity with us again.",
            },
            Self::PrivilegeWithdrawn => Wording {
                ja: "お客様の電子証明書が失効していることを確認しました。改めて本人確認をお願いいたします。",
                en: "Your electronic certificate has been revoked. Please verify your identity with us again.",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_words_and_none_speaks_of_a_death() {
        for code in 0..=10 {
            let Some(reason) = RevocationReason::from_code(code) else {
                continue;
            };
            let Wording { ja, en } = reason.customer_wording();
            assert!(ja.ends_with('。') && en.ends_with('.'), "{reason:?}");
            for word in ["死亡", "逝去", "亡く"] {
                assert!(!ja.contains(word), "{reason:?}");
            }
            assert!(!en.contains("dea") && !en.contains("died"), "{reason:?}");
        }
    }
}
